# A user, without sudo, who misses a compiler.
has cargo 'echo cargo 1.95.0'
has pkg-config; has apt-get; has ccache; has curl; export LIBCLANG_PATH=here
has id 'echo 1000'
scripts/prepare

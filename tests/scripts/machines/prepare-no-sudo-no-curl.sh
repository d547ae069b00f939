# Without curl it goes on.
has cargo 'echo cargo 1.95.0'
has cc; has c++; has pkg-config; has apt-get; export LIBCLANG_PATH=here
has ccache
has id 'echo 1000'
scripts/prepare

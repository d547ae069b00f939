has cargo 'echo cargo 1.95.0'
has cc; has c++; has ccache; has curl; export LIBCLANG_PATH=here
has id 'echo 1000'; has sudo '[ "$1" != -n ] || shift; exec "$@"'
has apt-get 'echo "apt-get $*" >&3'
scripts/prepare 3>&1

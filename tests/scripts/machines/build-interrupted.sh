has cargo 'echo "cargo $*"'
has ccache
mkdir -p target/release/build/librocksdb-sys-1/out
touch target/release/build/librocksdb-sys-1/out/{a,b,c}.o
scripts/build build --release --bin quorate

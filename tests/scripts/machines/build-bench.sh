has cargo 'echo "cargo $*"'
has ccache
mkdir -p target/debug/build/librocksdb-sys-1/out
touch target/debug/build/librocksdb-sys-1/out/librocksdb.a
scripts/build test --no-run      # built
scripts/build bench --no-run     # built with --release, and not yet

has cargo 'echo "cargo $*"'
scripts/build build --release --manifest-path bench/Cargo.toml

has cargo 'echo "cargo $*"'
scripts/build build --bin quorate

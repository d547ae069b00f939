has cargo 'echo "cargo $*"'
has ccache
scripts/build build --bin quorate

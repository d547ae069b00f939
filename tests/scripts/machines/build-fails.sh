has cargo 'exit 101'; has ccache
scripts/build build

# Nothing is there.
scripts/prepare

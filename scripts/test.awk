# Reads what `cargo test --no-fail-fast -- --show-output` prints; see scripts/test.

# `crates/quorate-node/tests/it/main.rs` → `-p quorate-node --test it`
function name_of(source, executable,    folder, line, package, target) {
    folder = source
    sub(/\/(src|tests)\/.*/, "", folder)
    package = "?"
    while ((getline line < (folder "/Cargo.toml")) > 0)
        if (line ~ /^name = /) { package = line; gsub(/^name = "|"$/, "", package); break }
    close(folder "/Cargo.toml")
    target = executable
    sub(/.*\//, "", target)
    sub(/-[0-9a-f]+$/, "", target)
    if (source ~ /\/tests\//) target = "--test " target
    else if (source ~ /\/src\/lib\.rs$/) target = "--lib"
    else { gsub(/_/, "-", target); target = "--bin " target }
    return "-p " package " " target
}

function begin(name) {
    finish()
    suite = name; result = ""; output = ""; failures = ""; section = "run"; test = ""; done = 0; skipped_here = 0
    status(suite)
}

function status(text) { if (terminal) { printf "\r\033[K%s", text; fflush() } }

# Tests of one suite that are skipped for the same reason are one line.
function skip(what, why,    key) {
    key = suite SUBSEP why
    if (!(key in skips)) { order[++reasons] = key; first[key] = what }
    skips[key]++
}

# The suite's line, and what it printed if it did not end well.
function finish(    counts, n, seconds) {
    if (suite == "") return
    if (terminal) printf "\r\033[K"
    if (result == "") {
        failed++
        print "FAILED " suite ": it ended before its last test\n" output failures
        bad = bad "FAILED " suite "\n"
    } else {
        # test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s
        n = split(result, counts, /[^0-9.]+/)
        seconds = counts[n] == "" ? counts[n - 1] : counts[n]
        passed += counts[3] - skipped_here; failed += counts[4]; skipped += counts[5] + skipped_here
        if (counts[4] > 0) print output failures
        if (counts[3] + counts[4] + counts[5] > 0)
            printf("%s %s: %d passed, %d failed, %d skipped, %s s\n", (counts[4] > 0 ? "FAILED" : "ok"), suite,
                   counts[3] - skipped_here, counts[4], counts[5] + skipped_here, seconds)
    }
    fflush()
    suite = ""
}

/^ +Running / {
    executable = $NF
    gsub(/[()]/, "", executable)
    source = "?"
    if ((getline line < (executable ".d")) > 0) { split(line, parts, " "); source = parts[2] }
    close(executable ".d")
    begin(name_of(source, executable))
    next
}
/^ +Doc-tests / { gsub(/_/, "-", $2); begin("-p " $2 " --doc"); next }

suite == "" { if (NF && !/^ +(Compiling|Finished|Blocking) /) print; next }

# What passing tests printed, one after the other; of it, only what they skipped is of interest.
/^successes:$/ { section = "successes"; next }
/^failures:$/ { section = "failures" }
section == "successes" && /^---- .* stdout ----$/ { test = $2; counted = 0; next }
section == "successes" && /^SKIPPED: / { if (!counted++) { skipped_here++; why = $0; sub(/^SKIPPED: /, "", why); skip(test, why) } next }
section == "successes" && /^SKIPPED / { part = $0; sub(/^SKIPPED /, "in part: ", part); skip(test, part); next }

/test result: (ok|FAILED)\. / { result = $0; sub(/.*test result/, "test result", result); sub(/s$/, "", result); section = "end"; next }

section == "run" && /^test .* \.\.\. / {
    status(suite ": " ++done)
    if (/ \.\.\. ignored/) { why = $0; sub(/.* \.\.\. ignored,? ?/, "", why); skip($2, why == "" ? "by hand only" : why) }
    if (/ \.\.\. FAILED$/) bad = bad "FAILED " suite " " $2 "\n"
    if (/ \.\.\. (ok|ignored.*|FAILED)$/) next
}
section == "run" && !/^$|^running [0-9]+ tests?$/ { output = output $0 "\n" }
section == "failures" { failures = failures $0 "\n" }

END {
    finish()
    for (n = 1; n <= reasons; n++) {
        split(order[n], key, SUBSEP)
        count = skips[order[n]]
        printf "SKIPPED %s %s: %s\n", key[1], count == 1 ? first[order[n]] : "(" count " tests)", key[2]
    }
    printf "%s", bad
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit (failed > 0)
}

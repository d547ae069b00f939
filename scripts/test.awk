# Reads what `cargo test --no-fail-fast -- --show-output` prints; see scripts/test.
#
# A suite goes through sections: `run`, `successes` and `failures` (what those tests printed), `result`, and `error` where cargo
# says that it failed or crashed. The next suite begins only after the last two: tests print what they like.

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
    suite = name; section = "run"; open = 1
    output = failures = error = test = ""
    ok = bad = ignored = seconds = done = skipped_here = 0
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
function finish(    why) {
    if (suite == "") return
    status("")
    if (open) why = ": it ended before its last test"
    else if (section == "error" && !bad) why = ": it failed after its last test"
    if (why) { bad++; fails = fails "FAILED " suite why "\n" }
    if (bad) print output failures error
    if (ok + bad + ignored > 0)
        printf("%s %s: %d passed, %d failed, %d skipped, %.2f s%s\n", bad ? "FAILED" : "ok", suite,
               ok - skipped_here, bad, ignored + skipped_here, seconds, why)
    passed += ok - skipped_here; failed += bad; skipped += ignored + skipped_here
    fflush()
    suite = ""
}

function may_begin() { return suite == "" || section == "result" || section == "error" }

/^     Running .*\.rs \(.+-[0-9a-f]+\)$/ && may_begin() {
    executable = $0
    gsub(/^[^(]*\(|\)$/, "", executable)
    source = "?"
    if ((getline line < (executable ".d")) > 0) { split(line, parts, " "); source = parts[2] }
    close(executable ".d")
    begin(name_of(source, executable))
    next
}
/^   Doc-tests [^ ]+$/ && may_begin() { gsub(/_/, "-", $2); begin("-p " $2 " --doc"); next }

# The list at the very end of those that failed, which were named one by one.
/^error: [0-9]+ targets? failed:$/ && may_begin() { finish(); named = 1 }
named { next }

suite == "" { if (NF && !/^ +(Compiling|Finished|Blocking) /) print; next }

# Cargo's word on a suite that failed. Of one that crashed it says how; a test that was running has left its line open.
/error: (doc)?test failed, to rerun pass `[^`]*`$/ {
    section = "error"
    if (open || !bad) error = error $0 "\n"
    next
}
# What else cargo complains about once the tests are through. Other errors there may come from what a test left running.
section == "result" && /^error: could not (compile|document|execute)/ { section = "error" }
section == "result" && /^error/ { print; next }
section == "error" { if (NF) error = error $0 "\n"; next }

/^running [0-9]+ tests?$/ && (section == "run" || section == "result") { section = "run"; open = 1; next }

# What passing tests printed, one after the other; of it, only what they skipped is of interest.
/^successes:$/ { section = "successes"; next }
/^failures:$/ { section = "failures" }
section == "successes" && /^---- .* stdout ----$/ { test = $2; counted = 0; next }
section == "successes" && /^SKIPPED: / { if (!counted++) { skipped_here++; why = $0; sub(/^SKIPPED: /, "", why); skip(test, why) } next }
section == "successes" && /^SKIPPED / { part = $0; sub(/^SKIPPED /, "in part: ", part); skip(test, part); next }

# test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s
# A suite of documentation has several.
/test result: (ok|FAILED)\. [0-9]+ passed; .* finished in [0-9.]+s$/ {
    sub(/.*test result: /, "")
    ok += $2; bad += $4; ignored += $6; seconds += $NF
    section = "result"; open = 0
    next
}

section == "run" && /^test .* \.\.\. / {
    status(suite ": " ++done)
    test = $0
    gsub(/^test | \.\.\. .*/, "", test)
    if (/ \.\.\. ignored/) { why = $0; sub(/.* \.\.\. ignored,? ?/, "", why); skip(test, why == "" ? "by hand only" : why) }
    if (/ \.\.\. FAILED$/) fails = fails "FAILED " suite " " test "\n"
    if (/ \.\.\. (ok|ignored.*|FAILED)$/) next
}
section == "run" && NF { output = output $0 "\n" }
section == "failures" { failures = failures $0 "\n" }

END {
    finish()
    for (n = 1; n <= reasons; n++) {
        split(order[n], key, SUBSEP)
        count = skips[order[n]]
        printf "SKIPPED %s %s: %s\n", key[1], count == 1 ? first[order[n]] : "(" count " tests)", key[2]
    }
    printf "%s", fails
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit (failed > 0)
}

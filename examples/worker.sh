#!/usr/bin/env bash
# worker.sh URL,URL,… PROGRAM [ARGUMENT…]: takes jobs one after the other; the program gets the payload on standard input.
# Needs bash 5.1, curl and jq.
set -uo pipefail
IFS=, read -ra nodes <<<"$1"; shift
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
never=1000000000 give_up=$never
trap 'give_up=$((SECONDS + 5))' TERM    # ends after the job, or after the poll; where no node answers, after 5 s

# call SECONDS LATE PATH [OPTION OF CURL…]: asks one node after the other, for that long each, until one has an answer: its code
# in $code, its body in $dir/answer. Fails when $SECONDS is LATE, an expression. Each call here may be repeated.
call() {
    local seconds=$1 late=$2 path=$3; shift 3
    until code=$(curl -s -o "$dir/answer" -w '%{http_code}' --connect-timeout 1 -m "$seconds" -X POST "$@" "${nodes[0]}$path") &&
          ((code < 500 && code != 408 && code != 429)); do
        ((SECONDS < late)) || return
        nodes=("${nodes[@]:1}" "${nodes[0]}")
        sleep 0.2
    done
}

while ((give_up == never)); do
    # One key for one question, however often it is asked; another one after every answer.
    call 28 give_up "/v1/jobs/consume?wait=20" -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" || break
    ((code == 200)) || { cat "$dir/answer" >&2; exit 1; }
    id=$(jq -r '.jobs[0].id // empty' "$dir/answer")
    [ "$id" ] || continue
    jq -j '.jobs[0].payload' "$dir/answer" >"$dir/payload"
    JOB_ID=$id setsid "$@" <"$dir/payload" >"$dir/output" 2>&1 &
    work=$!
    # Beside the work it is touched. It was cancelled or timed out when that is refused, and somebody else gets it when no node
    # answers for its whole timeout: either way it is no longer ours, and there is nothing to say of it.
    timeout=$(jq '.jobs[0].timeout | floor' "$dir/answer") third=$(jq '[.jobs[0].timeout / 3 | floor, 1] | max' "$dir/answer")
    ours=$((SECONDS + timeout)) killed=
    until sleep $((third < 5 ? third : 5)) & wait -n -p ended $work $!; status=$?; [ "${ended-}" = $work ]; do
        asked=$SECONDS
        if call $((third < 8 ? third : 8)) ours "/v1/job/$id/touch" && ((code == 204)); then
            ours=$((asked + timeout))
        else
            killed=1; kill -KILL -- -$work
        fi
    done
    [ -z "$killed" ] || continue
    tail -c 1048576 "$dir/output" >"$dir/log"
    last='give_up > ours ? give_up : ours'
    # 409: the job was called off meanwhile. Then its outcome is dropped.
    if ((status == 0)); then
        call 8 "$last" "/v1/job/$id/success" -F "log=@$dir/log"
    else
        call 8 "$last" "/v1/job/$id/fail" -F reason=bad_exit -F "details=exit status $status" -F "log=@$dir/log"
    fi
done

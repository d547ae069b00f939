#!/usr/bin/env bash
# worker.sh URL,URL,… PROGRAM [ARGUMENT…]: takes jobs one after the other; the program gets the payload on standard input.
# Needs bash 5.1, curl and jq. Where nodes ask for a token, it is in the file QUORATE_TOKEN_FILE.
set -uo pipefail
IFS=, read -ra nodes <<<"$1"; shift
name=$HOSTNAME-$(head -c 8 /proc/sys/kernel/random/uuid)
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
trap 'ending=$SECONDS' TERM    # ends after the job, or after the poll, which takes 5 s where no node answers

# By now the token may be another one. Nobody else sees it, as he would on a command line.
bearer() { [ -z "${QUORATE_TOKEN_FILE-}" ] || printf 'Authorization: Bearer %s' "$(<"$QUORATE_TOKEN_FILE")"; }

# call SECONDS PATH [OPTION OF CURL…]: asks one node after the other, for that long each, until one has an answer: its code in
# $code, its body in $dir/answer. Each call here may be repeated. Fails after $patience seconds, where that is set,
# and 5 s after the signal where it is $idle. Nodes hear of a new token one after the other, and it may come while the job is
# $ours: a 401 counts when all have said it in a row.
call() {
    local seconds=$1 path=$2 until=$((SECONDS + ${patience:-1000000000})) refusals=0; shift 2
    until code=$(curl -s -o "$dir/answer" -w '%{http_code}' --connect-timeout 1 -m "$seconds" -X POST -H @<(bearer) "$@" "${nodes[0]}$path") &&
          ((code < 500 && code != 401 && code != 408 && code != 429)); do
        ((refusals = code == 401 ? refusals + 1 : code == 0 ? refusals : 0))
        ((refusals < ${#nodes[@]} || SECONDS < ${ours:-0})) || return 0
        ((SECONDS < until)) || return
        [ -z "${idle-}" ] || [ -z "${ending-}" ] || ((SECONDS < ending + 5)) || return
        nodes=("${nodes[@]:1}" "${nodes[0]}")
        sleep 0.2
    done
}

while [ -z "${ending-}" ]; do
    # One key for one question, however often it is asked; another one after every answer.
    idle=1 ours=0 call 28 "/v1/jobs/consume?wait=20&worker=$name" -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" || break
    ((code == 200)) || { echo "${nodes[0]} says $code: $(<"$dir/answer")" >&2; exit 1; }
    id=$(jq -r '.jobs[0].id // empty' "$dir/answer")
    [ "$id" ] || continue
    jq -j '.jobs[0].payload' "$dir/answer" >"$dir/payload"
    JOB_ID=$id setsid "$@" <"$dir/payload" >"$dir/output" 2>&1 &
    work=$! timeout=$(jq '.jobs[0].timeout | floor' "$dir/answer")
    ours=$((SECONDS + timeout)) third=$((timeout < 3 ? 1 : timeout / 3))
    # Beside the work it is touched. A touch that is refused says that the job was cancelled or timed out; it is also given to
    # somebody else when no node can be reached.
    until sleep $((third < 5 ? third : 5)) & wait -n -p ended $work $!; status=$?; [ "${ended-}" = $work ]; do
        patience=$third call $((third < 8 ? third : 8)) "/v1/job/$id/touch" && ((code == 204)) &&
            ours=$((SECONDS + timeout)) || kill -KILL -- -$work
    done
    tail -c 1048576 "$dir/output" >"$dir/log"
    # 409: the job was called off meanwhile. Then its outcome is dropped.
    if ((status == 0)); then
        call 8 "/v1/job/$id/success" -F "log=@$dir/log"
    else
        call 8 "/v1/job/$id/fail" -F reason=bad_exit -F "details=exit status $status" -F "log=@$dir/log"
    fi
done

#!/usr/bin/env python3
"""worker.py URL,URL,… PROGRAM [ARGUMENT…]: takes jobs one after the other; the program gets the payload on standard input."""
import math, os, signal, subprocess, sys, time, uuid
import requests  # pip install requests

nodes, program = sys.argv[1].split(","), sys.argv[2:]
http, give_up, name = requests.Session(), math.inf, f"{os.uname().nodename}-{uuid.uuid4().hex[:8]}"


def bearer(request):
    """Sends the token in QUORATE_TOKEN_FILE, where nodes ask for one. By now it may be another one."""
    if file := os.environ.get("QUORATE_TOKEN_FILE"):
        try:
            request.headers["Authorization"] = "Bearer " + "".join(open(file).read().split())
        except OSError as error:
            print(error, file=sys.stderr)  # the nodes will say the rest
    return request


def end(*_):
    """Ends after the job, or after the poll; where no node answers, after 5 s."""
    global give_up
    give_up = time.monotonic() + 5


def call(path, seconds, until=lambda: give_up, ours=0, **request):
    """Asks one node after the other, for so long each, until one has an answer or it is late. Each call may be repeated."""
    refusals = 0  # in a row: nodes hear of a new token one after the other, and it may come while a job is ours
    while time.monotonic() < until():
        try:
            answer = http.post(nodes[0] + path, timeout=(1, seconds), **request)
            refusals = refusals + 1 if answer.status_code == 401 else 0
            is_final = not refusals or refusals >= len(nodes) and time.monotonic() >= ours
            if is_final and answer.status_code < 500 and answer.status_code not in (408, 429):
                return answer
        except requests.RequestException:
            pass  # the same as a 503: the next node
        nodes.append(nodes.pop(0))
        time.sleep(0.2)


def work(job):
    """Runs the program and touches the job beside it. Says the exit status, the log, and how long the job is ours."""
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, env={**os.environ, "JOB_ID": job["id"]})
    payload, third, ours = job["payload"].encode(), job["timeout"] / 3, time.monotonic() + job["timeout"]
    while True:
        try:
            log, _ = process.communicate(payload, timeout=min(5, third))
            return process.returncode, log[-(1 << 20):], ours
        except subprocess.TimeoutExpired:
            payload = None  # it is on its way already
        asked = time.monotonic()
        if not call(f"/v1/job/{job['id']}/touch", min(8, third), until=lambda: ours):
            # It was cancelled or timed out, or no node answered for its whole timeout: somebody else gets it.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, b"", ours
        ours = asked + job["timeout"]


http.auth = bearer
signal.signal(signal.SIGTERM, end)
while give_up == math.inf:
    # One key for one question, however often it is asked; another one after every answer.
    answer = call(f"/v1/jobs/consume?wait=20&worker={name}", 28, headers={"Idempotency-Key": str(uuid.uuid4())})
    if answer is None:
        break
    if not answer:
        sys.exit(f"{nodes[0]} says {answer.status_code}: {answer.text.strip()}")
    for job in answer.json()["jobs"]:
        status, log, ours = work(job)
        if status is None:
            continue  # no longer ours: there is nothing to say of it
        how = {"reason": "bad_exit", "details": f"exit status {status}"} if status else {}
        # 409: the job was called off meanwhile. Then its outcome is dropped.
        call(f"/v1/job/{job['id']}/{'fail' if status else 'success'}", 8, until=lambda: max(give_up, ours), ours=ours,
             data=how, files={"log": ("log.txt", log)})

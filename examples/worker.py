#!/usr/bin/env python3
"""worker.py URL,URL,… PROGRAM [ARGUMENT…]: takes jobs one after the other; the program gets the payload on standard input."""
import math, os, signal, subprocess, sys, time, uuid
import requests  # pip install requests

nodes, program = sys.argv[1].split(","), sys.argv[2:]
http, ending = requests.Session(), []
signal.signal(signal.SIGTERM, lambda *_: ending.append(True))  # ends after the job, or after the poll


def call(path, wait=0, patience=math.inf, **request):
    """Asks one node after the other until one has an answer. Each call here may be repeated."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            answer = http.post(nodes[0] + path, timeout=(1, wait + min(8, patience)), **request)
            if answer.status_code < 500 and answer.status_code not in (408, 429):
                return answer
        except requests.RequestException:
            pass  # the same as a 503: the next node
        nodes.append(nodes.pop(0))
        time.sleep(0.2)


def work(job):
    """Runs the program and touches the job beside it. Says the exit status and the log."""
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, env={**os.environ, "JOB_ID": job["id"]})
    payload, third = job["payload"].encode(), job["timeout"] / 3
    while True:
        try:
            log, _ = process.communicate(payload, timeout=min(5, third))
            return process.returncode, log[-(1 << 20):]
        except subprocess.TimeoutExpired:
            payload = None  # it is on its way already
        touched = call(f"/v1/job/{job['id']}/touch", patience=third)
        if not touched:  # it was cancelled or timed out, or no node answers: then it will be given to somebody else
            os.killpg(process.pid, signal.SIGKILL)


while not ending:
    # One key for one question, however often it is asked; another one after every answer.
    answer = call("/v1/jobs/consume?wait=20", wait=20, headers={"Idempotency-Key": str(uuid.uuid4())})
    answer.raise_for_status()
    for job in answer.json()["jobs"]:
        status, log = work(job)
        how = {"reason": "bad_exit", "details": f"exit status {status}"} if status else {}
        # 409: the job was called off meanwhile. Then its outcome is dropped.
        call(f"/v1/job/{job['id']}/{'fail' if status else 'success'}", data=how, files={"log": ("log.txt", log)})

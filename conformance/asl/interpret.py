"""Runs scripts in the Step Functions interpreter inside PyPI's moto: interpret.py DEFINITION SCRIPTS.

Prints a JSON list of traces, as asl_test.go reads them. Two things of moto are replaced, since there is neither a Lambda
service nor an hour to wait: the call of a function, which answers from the script, and waiting (of Wait, Retry and parks).
"""
import json
import sys
import threading
import time

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.eval.callback import callback

REGION = "us-east-1"
current = None  # the script that is played


class Play:
    def __init__(self, script):
        self.left = {k: list(v) for k, v in script["answers"].items()}
        self.calls = {}
        self.timeout = False  # the park that comes next is woken by nobody
        self.lock = threading.Lock()


def key(function, p):
    name = function.removeprefix("${").removesuffix("FunctionArn}").lower()
    if name == "finalize":
        return p["step"]
    if name == "park":
        return "park/" + p["for"]
    return f"uploadpart/{p['range']}" if name == "uploadpart" else name


def invoke(parameters, region, state_credentials):
    p = json.loads(parameters["Payload"])
    token, p["token"] = p.get("token"), "TOKEN"
    if token is None:
        del p["token"]
    k = key(parameters["FunctionName"], p)
    with current.lock:
        current.calls.setdefault(k, []).append(p)
        answers = current.left.get(k, [])
        default = {"done": True, "wait": 0} if "range" in p else {}
        answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else default
    error = answer.get("error", "")
    if token is not None:  # a park: its answer comes by the token
        client = boto3.client("stepfunctions", REGION)
        current.timeout = error == "States.Timeout"
        if not error:
            threading.Timer(0.05, lambda: client.send_task_success(taskToken=token, output="{}")).start()
    if error and error != "States.Timeout":
        if error.startswith("Lambda."):
            raise ClientError({"Error": {"Code": error.removeprefix("Lambda."), "Message": "scripted"},
                               "ResponseMetadata": {"HTTPStatusCode": 429, "RequestId": "1"}}, "Invoke")
        return {"FunctionError": "Unhandled", "StatusCode": 200, "Payload": {"errorType": error, "errorMessage": "scripted"}}
    return {"StatusCode": 200, "Payload": {} if answer.get("wake") else answer}


class NoSleep:
    """The module time, as retriers see it."""

    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def sleep(seconds):
        time.sleep(0)


def pause(self, env, wait_seconds):
    """No waiting; how long it would have been stands in the state's input."""


token_wait = callback.CallbackEndpoint.wait


def wait_for_token(self, timeout=None):
    """A park's day is a moment where nobody will wake it, and without end where somebody will."""
    if current.timeout:
        return token_wait(self, 0.05)
    return token_wait(self, None)


callback.CallbackEndpoint.wait = wait_for_token
lambda_eval_utils._invoke_lambda_function = invoke
retrier_decl.time = NoSleep()
wait_function.WaitFunction._wait_interval = pause


def lines(events):
    """The states entered, by the iteration of a Map that they belong to."""
    where, out = {0: "top"}, {}
    for e in events:
        line = where.get(e["previousEventId"], "top")
        if e["type"] == "MapIterationStarted":
            line = str(e["mapIterationStartedEventDetails"]["index"])
        elif e["type"] in ("MapStateSucceeded", "MapStateFailed", "MapStateExited"):
            line = "top"
        where[e["id"]] = line
        if e["type"].endswith("StateEntered"):
            d = e["stateEnteredEventDetails"]
            text = d["name"]
            if e["type"] == "WaitStateEntered":
                text += f" {json.loads(d['input'])['step']['wait']}"
            out.setdefault(line, []).append(text)
    return out


def play(client, machine, number, script):
    global current
    current = Play(script)
    arn = client.start_execution(stateMachineArn=machine, name=f"script-{number}", input=json.dumps(script["input"]))["executionArn"]
    for _ in range(3000):
        d = client.describe_execution(executionArn=arn)
        if d["status"] != "RUNNING":
            break
        time.sleep(0.02)
    events, token = [], {}
    while True:
        page = client.get_execution_history(executionArn=arn, **token)
        events += page["events"]
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    output = json.loads(d["output"]) if d.get("output") else None
    return {"name": script["name"], "status": d["status"], "output": output, "error": d.get("error", ""),
            "lines": lines(events), "calls": current.calls}


@mock_aws(config={"stepfunctions": {"execute_state_machine": True}})
def main():
    definition, scripts = open(sys.argv[1]).read(), json.load(open(sys.argv[2]))
    client = boto3.client("stepfunctions", REGION)
    machine = client.create_state_machine(name="publish", definition=definition, roleArn="arn:aws:iam::123456789012:role/publish")
    traces = [play(client, machine["stateMachineArn"], i, s) for i, s in enumerate(scripts)]
    json.dump(traces, sys.stdout)


if __name__ == "__main__":
    main()

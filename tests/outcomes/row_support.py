"""A row of a data set that no harness can take: no Docker is needed to say so."""

TASK = "demo__adder-1"
ROW = {
    "instance_id": TASK,
    "repo": "demo/adder",
    "base_commit": "0",
    "problem_statement": "wrong",
    "FAIL_TO_PASS": ["t"],
}

# test_subprocess of the regression tests; without the second pass of the same
# tests on another way to wait.
module=test_subprocess
. "$here/python.inc"
without='*NoPoll*'

# test_json of the regression tests.
module=test_json
. "$here/python.inc"

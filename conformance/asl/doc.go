// Package asl compares local/stepfn with interpreters of the States Language that we did not write: npm's
// aws-local-stepfunctions and the one inside PyPI's moto. The deployed definition, unchanged, runs in each against the
// same scripted answers (testdata/scripts.json), and the states entered, the waits, every payload and the end must be
// the same. It holds tests only; conformance/run.sh installs the engines and says where they are:
//
//	VODLIFT_ASL_NODE    a folder with node_modules (aws-local-stepfunctions, asl-validator)
//	VODLIFT_ASL_PYTHON  a Python with moto
//
// It must not know what a function does.
package asl

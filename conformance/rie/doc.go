// Package rie runs every deployed bootstrap (the amd64 build) under AWS's own Runtime Interface Emulator, the engine of
// `sam local invoke`, and under local/lambda's Host: each event of events/<function>/ once, in order, on a table of its
// own on DynamoDB Local. Both engines must give the answer in testdata/<function>/<case>.json. It holds tests only;
// conformance/run.sh finds the emulator in the wheel of aws-sam-cli and says where it is:
//
//	VODLIFT_RIE         the emulator
//	VODLIFT_BOOTSTRAPS  dist/amd64
//
// A golden is written anew by: go test ./conformance/rie -update (with those variables).
package rie

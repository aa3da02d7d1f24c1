// Package publication publishes one video to four platforms with everything as it is deployed, but for the clouds: the
// real binaries of all functions as processes under local/lambda's Host, the ledger on AWS's DynamoDB Local, the deployed
// definition, the bucket behind the S3 gateway, strict doubles of KMS, Step Functions' and EventBridge's APIs, and the
// fake platforms of the demo. Processes are killed on the way; each platform must end up with exactly one post. It holds
// tests only; conformance/run.sh builds the binaries (with the build tag vodlift_loopback, since a deployed one reaches no
// loopback address) and says where they are: VODLIFT_LOOPBACK_BOOTSTRAPS.
package publication

// Package bucket drops videos into the inbox of the one-machine stack with clients that we did not write: AWS's command
// line and rclone. Each drop must be published exactly once. It holds tests only; conformance/run.sh installs the clients
// and says where they are: VODLIFT_AWS and VODLIFT_RCLONE.
package bucket

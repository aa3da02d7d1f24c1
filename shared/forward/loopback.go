//go:build !vodlift_loopback

package forward

// loopbackForward lets the forwarder of Function Compute reach this very machine. Only a build for tests has it (build
// tag vodlift_loopback): no setting of a function can (design 4.10).
const loopbackForward = false

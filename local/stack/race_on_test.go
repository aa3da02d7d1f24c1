//go:build race

package stack_test

// raceOn: the race detector is in this binary.
const raceOn = true

//go:build race

package workflow_test

// raced: the race detector makes the database ten times slower; the matrix walks fewer of its long ends then.
const raced = true

package retry_test

import (
	"context"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/retry"
)

// Only what is harmless to repeat is repeated.
func ExampleDo() {
	calls := 0
	try := func(k fault.Kind) {
		calls = 0
		err := retry.Do(context.Background(), retry.Policy{Random: func() float64 { return 0 }}, func(context.Context) error {
			if calls++; calls < 3 {
				return fault.New(k, "example", "not now")
			}
			return nil
		})
		fmt.Println(calls, err)
	}
	try(fault.Retryable)
	try(fault.Unknown)
	// Output:
	// 3 <nil>
	// 1 example: Unknown: not now
}

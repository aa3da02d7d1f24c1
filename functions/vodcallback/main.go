//go:build !fc

// Command vodcallback verifies what platforms tell us, records it and wakes who waits for it (design 4.7).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("vodcallback", wire.Hub) }

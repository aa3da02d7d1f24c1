// Command finalize completes, publishes, inspects, checks and settles an upload (design 2).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("finalize", wire.Step) }

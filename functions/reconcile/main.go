// Command reconcile wakes what is due and starts what was recorded but not started (design 2).
package main

import (
	_ "time/tzdata" // publish_at names zones, and functions run where none are installed

	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("reconcile", wire.Hub) }

// Command reconcile wakes what is due and starts what was recorded but not started (design 2).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("reconcile", wire.Function) }

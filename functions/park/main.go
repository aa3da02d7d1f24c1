// Command park stores the task token of a waiting execution, and wakes it if it is due already (design 4.6).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("park", wire.Step) }

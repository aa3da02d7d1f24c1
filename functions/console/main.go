// Command console is the operators' JSON API: what is going on, resolve, retry, cancel, pause, accounts, apps (design 5).
package main

import (
	_ "time/tzdata" // publish_at names zones, and functions run where none are installed

	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("console", wire.Desk) }

// Command console is the operators' JSON API: what is going on, resolve, retry, cancel, pause, accounts, apps (design 5).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("console", wire.Function) }

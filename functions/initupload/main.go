// Command initupload is the Open step of the machine: it reads the ledger and decides what comes next (design 2).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("initupload", wire.Step) }

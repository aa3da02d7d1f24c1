//go:build !fc

// Command ingest turns a dropped video, or a request, into a publication and its uploads, and starts them (design 2).
package main

import (
	_ "time/tzdata" // publish_at names zones, and functions run where none are installed

	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("ingest", wire.Drops) }

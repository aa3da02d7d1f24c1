// Command appserver answers the client-facing calls of the short-video apps (design 2).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("appserver", wire.Hub) }

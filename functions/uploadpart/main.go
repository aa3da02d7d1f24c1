// Command uploadpart carries one range of consecutive parts from the bucket to the platform (design 2).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("uploadpart", wire.Step) }

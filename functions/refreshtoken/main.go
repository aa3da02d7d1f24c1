// Command refreshtoken alone holds app secrets; it renews the tokens of accounts (design 4.5).
package main

import (
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/wire"
)

func main() { handler.Main("refreshtoken", wire.Desk) }

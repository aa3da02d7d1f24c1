package markup_test

import (
	"fmt"

	"github.com/vodlift/vodlift/shared/markup"
)

func Example() {
	spans, err := markup.Parse(`#音乐 遇见 @小明{douyin:_000a,douyinweb:42} C# \#1`)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, atUsers := markup.Open(spans, "douyin")
	fmt.Println(text, atUsers)
	web := markup.RenderWeb(spans, "douyinweb")
	fmt.Println(web.Extra, web.Mentions)
	fmt.Println(web.Third)
	_, err = markup.Parse("遇见 @小明{")
	fmt.Println(err)
	// Output:
	// #音乐 遇见 @小明 C# #1 [_000a]
	// [{0 3  1 音乐} {7 10 42 0 }] [42]
	// 遇见 @小明 C# #1
	// the brace of this mention is not closed at line 1, column 7 (rule: @nickname{id}; for a plain @ or { write \@ or \{)
}

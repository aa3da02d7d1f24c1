package callback_test

import (
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
)

// A callback is checked by its headers, with the URL as it was entered at the platform, and read; its key tells repeats.
func Example() {
	keys := []callback.VODKey{{URL: "https://www.example.com/your/callback", Secret: "test123"}}
	now := time.Unix(1519375990, 0)
	fmt.Println(callback.VerifyVOD(keys, "1519375990", "c72b60894140fa98920f1279219b7ed4", now))
	fmt.Println(callback.VerifyVOD(keys, "1519375990", "c72b60894140fa98920f1279219b7ed4", now.Add(time.Hour)))

	e := callback.ParseVOD([]byte(`{"EventType":"TranscodeComplete","VideoId":"93ab","Status":"success","StreamInfos":[{"JobId":"a718","Fps":"25"}]}`))
	again := callback.ParseVOD([]byte(`{"VideoId":"93ab","EventType":"TranscodeComplete","StreamInfos":[{"JobId":"a718","Fps":25}],"Status":"success"}`))
	fmt.Println(e.Type, e.Remotes, e.Job, e.Status, e.Final, e.Key == again.Key)
	// Output:
	// <nil>
	// the signature's time is outside the window of 5m0s
	// TranscodeComplete [93ab] a718 success true true
}

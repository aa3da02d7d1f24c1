package memtarget_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// A whole upload: plan, open, send the parts, complete, publish.
func Example() {
	ctx := context.Background()
	platform := memtarget.New(&memtarget.Options{Limits: upload.Limits{MaxSize: 1000, MinPart: 4, MinLastPart: 1, MaxPart: 8, WantPart: 8, InFlight: 4}})
	t := platform.Target("mem/main")

	file := "the bytes of a video"
	v := upload.Video{Account: "mem/main", Size: int64(len(file)), Title: "My first"}
	plan, err := upload.NewPlan(v.Size, platform.Limits(), upload.Settings{})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := t.Init(ctx, v, plan)
	if err != nil {
		fmt.Println(err)
		return
	}
	var receipts []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		p := plan.Part(n)
		r, err := t.UploadPart(ctx, session, target.Part{Part: p, Parts: plan.Parts, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(file[p.Offset : p.Offset+p.Size])), nil
		}})
		if err != nil {
			fmt.Println(err)
			return
		}
		receipts = append(receipts, r)
	}
	asset, err := t.Complete(ctx, session, receipts)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Parts, "parts sent;", len(platform.Posts()), "posts")
	if _, err := t.Publish(ctx, v, session, asset); err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range platform.Posts() {
		fmt.Println(p.Title, p.Size)
	}
	// Output:
	// 3 parts sent; 0 posts
	// My first 20
}

// What happens when the answer of Publish is lost: the post is there, and the caller does not know.
func ExamplePlatform_Fail() {
	platform := memtarget.New(&memtarget.Options{Limits: upload.Limits{MaxSize: 1000, OneRequest: 1000}})
	t, ctx := platform.Target("mem/main"), context.Background()
	v := upload.Video{Account: "mem/main", Size: 5, Title: "Lost"}
	plan := upload.Plan{Size: 5, Parts: 1, PartSize: 5, Ranges: 1, PartsPerRange: 1, InFlight: 1}
	s, _ := t.Init(ctx, v, plan)
	r, _ := t.UploadPart(ctx, s, target.Part{Part: plan.Part(1), Parts: 1, Open: func(context.Context) (io.ReadCloser, error) { return memtarget.Zeros(5), nil }})
	a, _ := t.Complete(ctx, s, []upload.Receipt{r})

	platform.Fail(memtarget.Publish, memtarget.After, nil)
	_, err := t.Publish(ctx, v, s, a)
	fmt.Println(err)
	fmt.Println(len(platform.Posts()), "post")
	// Output:
	// memtarget.Publish: Unknown: the answer was lost after the effect
	// 1 post
}

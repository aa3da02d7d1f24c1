package wire

import (
	"context"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// OwnUser is under whose name the apps see videos that came by the bucket and not from an app.
const OwnUser = "vodlift"

// listed puts a video that was published to VOD into the apps' lists, where the AppServer works with that very account.
// Nil where there is no AppServer.
func listed(e Engines, vault *token.Vault) func(context.Context, state.Upload, upload.Video) error {
	if e.Apps.Account == "" {
		return nil
	}
	cred := (&apps{e: e, vault: vault}).credential()
	store := videos.New(videos.Parts{Table: e.Table, VOD: vod.New(e.VOD.Config, alivod.Provider(cred), e.HTTP, &vod.Options{Now: e.Now}),
		Now: e.Now, Rand: randomOr(e.Rand), Log: e.Log, Settings: e.Apps.Settings.Videos})
	return func(ctx context.Context, u state.Upload, v upload.Video) error {
		if u.Account != e.Apps.Account || u.Post == nil {
			return nil
		}
		return store.PublishOwn(ctx, OwnUser, u.Post.ID, videos.Facts{
			Title: v.Title, Description: v.Description, Duration: v.Duration.Seconds(), Size: v.Size, Tags: strings.Join(v.Tags, ","),
		})
	}
}

// Linker makes an address of an object of any bucket; see workflow.Parts.Link.
type Linker func(ctx context.Context, o source.Object, contentType string, life time.Duration) (string, error)

// LinkBy presigns with api.
func LinkBy(api s3source.PresignAPI) Linker { return s3source.NewLinker(api).Link }

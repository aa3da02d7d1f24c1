package vod_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	sdk "github.com/aliyun/alibaba-cloud-sdk-go/services/vod"
	osssdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/local/fake/vod"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// The platform beside its object storage: the vendor's SDKs upload a film, and a signed callback tells that it plays.
func Example() {
	seen := func(i oss.Info) vod.Object {
		return vod.Object{Size: i.Size, SHA256: i.SHA256, CRC64: i.CRC64, Modified: i.Modified}
	}
	keys, err := ram.NewStore(ram.StoreOptions{})
	check(err)
	_, err = keys.AddKey("studio", "LTAIstudio", "studio-secret")
	check(err)
	var platform *vod.Server
	store, err := oss.New(oss.Options{Credentials: keys, Buckets: []oss.Bucket{{Name: vod.DefaultBucket}},
		Created: func(i oss.Info) { platform.ObjectStored(i.Bucket, i.Key, seen(i)) }})
	check(err)
	defer store.Close()
	storeWeb := httptest.NewServer(store)
	defer storeWeb.Close()
	platform, err = vod.New(vod.Options{Keys: keys, OSSEndpoint: storeWeb.URL, Pace: vod.Pace{Analysis: time.Millisecond, Transcode: time.Millisecond},
		Objects: vod.ObjectsFunc(func(bucket, key string) (vod.Object, bool) { i, ok := store.Stat(bucket, key); return seen(i), ok })})
	check(err)
	defer platform.Close()
	web := httptest.NewServer(platform)
	defer web.Close()

	plays := make(chan string)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event struct{ EventType, VideoId, Status, Extend string }
		check(json.NewDecoder(r.Body).Decode(&event))
		if event.EventType == "TranscodeComplete" {
			plays <- event.Extend + " " + event.Status + ", signed: " + fmt.Sprint(len(r.Header.Get(vod.SignatureHeader)) == 32)
		}
	}))
	defer hook.Close()
	check(platform.SetCallback(vod.MessageCallback{URL: hook.URL + "/callbacks/vod", AuthKey: "Callback1Key"}))

	client, err := sdk.NewClientWithAccessKey("cn-shanghai", "LTAIstudio", "studio-secret")
	check(err)
	req := sdk.CreateCreateUploadVideoRequest()
	req.Scheme, req.Domain = "http", strings.TrimPrefix(web.URL, "http://")
	req.Title, req.FileName, req.UserData = "a film", "film.mp4", `{"Extend":"upload-1"}`
	res, err := client.CreateUploadVideo(req)
	check(err)
	var at struct{ Endpoint, Bucket, FileName string }
	var auth struct{ AccessKeyId, AccessKeySecret, SecurityToken, Region string }
	for text, v := range map[string]any{res.UploadAddress: &at, res.UploadAuth: &auth} {
		b, err := base64.StdEncoding.DecodeString(text)
		check(err)
		check(json.Unmarshal(b, v))
	}
	up, err := osssdk.New(at.Endpoint, auth.AccessKeyId, auth.AccessKeySecret, osssdk.SecurityToken(auth.SecurityToken))
	check(err)
	bucket, err := up.Bucket(at.Bucket)
	check(err)
	check(bucket.PutObject(at.FileName, strings.NewReader("the film")))
	fmt.Println(<-plays)
	fmt.Println(len(platform.Effects().Posts), "post of", platform.Effects().Posts[0].Size, "bytes")
	// Output:
	// upload-1 success, signed: true
	// 1 post of 8 bytes
}

package oss_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// A platform hands out a credential for one object; the vendor's SDK uploads with it, and the platform looks at what came.
func Example() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	keys, err := ram.NewStore(ram.StoreOptions{})
	check(err)
	server, err := oss.New(oss.Options{Credentials: keys, Buckets: []oss.Bucket{{Name: "yk-source-upload"}}})
	check(err)
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()

	key, err := keys.Issue("youku/main", time.Hour, ram.ObjectPolicy("yk-source-upload", "tmp/1.mp4", ram.UploadActions()...))
	check(err)
	client, err := sdk.New(web.URL, key.AccessKeyID, key.Secret, sdk.SecurityToken(key.Token), sdk.AuthVersion(sdk.AuthV4), sdk.Region("cn-shanghai"))
	check(err)
	bucket, err := client.Bucket("yk-source-upload")
	check(err)
	check(bucket.PutObject("tmp/1.mp4", strings.NewReader("a video")))
	err = bucket.PutObject("tmp/2.mp4", strings.NewReader("another"))
	fmt.Println(err.(sdk.ServiceError).Code)

	info, _ := server.Stat("yk-source-upload", "tmp/1.mp4")
	fmt.Println(info.Size, info.MD5, info.Owner)
	// Output:
	// AccessDenied
	// 7 778768101ee00c72e34f828b9855e821 youku/main
}

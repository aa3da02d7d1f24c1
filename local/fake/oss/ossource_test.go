package oss_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	client "github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/ossource"
	"github.com/vodlift/vodlift/shared/source/sourcetest"
)

// The OSS source is proven here, against the fake, since shared/ must not import local/.
func TestOSSSourceKeepsTheContract(t *testing.T) {
	for v1, short := range map[bool]string{false: "whole", true: "clamp"} {
		t.Run(fmt.Sprintf("v1=%t, a range that is too long gives %s", v1, short), func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T) *sourcetest.Harness { return sourceHarness(t, v1, short) })
		})
	}
}

func sourceHarness(t *testing.T, v1 bool, short string) *sourcetest.Harness {
	t.Helper()
	keys, err := ram.NewStore(ram.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.AddKey("studio", "LTAIstudio", "studio-secret")
	if err != nil {
		t.Fatal(err)
	}
	s, err := oss.New(oss.Options{Credentials: keys, Buckets: []oss.Bucket{{Name: "inbox"}}, Readings: oss.Readings{ShortRange: short}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	spoiler := &sourcetest.Spoiler{Next: tr}
	read, err := client.New(client.Config{Endpoint: web.URL, Region: "cn-shanghai", SignV1: v1},
		client.Fixed(client.Credential{ID: key.AccessKeyID, Secret: key.Secret}), &http.Client{Transport: spoiler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := sdk.New(web.URL, key.AccessKeyID, key.Secret, sdk.AuthVersion(sdk.AuthV4), sdk.Region("cn-shanghai"))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := direct.Bucket("inbox")
	if err != nil {
		t.Fatal(err)
	}
	return &sourcetest.Harness{
		Source: ossource.New(read), Bucket: "inbox", Spoil: spoiler.Spoil, Unclosed: spoiler.Unclosed,
		Put: func(t *testing.T, key string, body []byte, metadata map[string]string) source.Object {
			t.Helper()
			var h http.Header
			opts := []sdk.Option{sdk.GetResponseHeader(&h)}
			for name, v := range metadata {
				opts = append(opts, sdk.Meta(name, v))
			}
			if err := bucket.PutObject(key, bytes.NewReader(body), opts...); err != nil {
				t.Fatalf("put %q: %v", key, err)
			}
			return source.Object{Bucket: "inbox", Key: key, ETag: h.Get("ETag"), Size: int64(len(body))}
		},
		Delete: func(t *testing.T, key string) {
			t.Helper()
			if err := bucket.DeleteObject(key); err != nil {
				t.Fatalf("delete %q: %v", key, err)
			}
		},
	}
}

package youku_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/youku"
)

// bucket is the smallest storage: it trusts everybody, and its objects are put in by hand.
type bucket struct {
	mu      sync.Mutex
	objects map[string]string
}

func (b *bucket) Issue(_, _ string, life time.Duration) (youku.Credentials, error) {
	return youku.Credentials{AccessKeyID: "STS.1", AccessKeySecret: "s", SecurityToken: "t", Expires: time.Now().Add(life)}, nil
}

func (b *bucket) Stat(_, object string) (youku.Object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	content, ok := b.objects[object]
	return youku.Object{Size: int64(len(content)), MD5: sum(content)}, ok
}

func sum(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }

// A platform whose commit is answered by silence, once, after the video was published.
func Example() {
	store := &bucket{objects: map[string]string{}}
	s, err := youku.New(youku.Options{Storage: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	grant, err := s.AddAccount("alice")
	if err != nil {
		fmt.Println(err)
		return
	}

	call := func(path string, form url.Values) (answer map[string]string, err error) {
		form.Set("client_id", grant.ClientID)
		form.Set("access_token", grant.AccessToken)
		res, err := web.Client().PostForm(web.URL+path, form)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return answer, json.NewDecoder(res.Body).Decode(&answer)
	}
	upload, err := call("/uploads/create.json", url.Values{"isnew": {"1"}, "file_name": {"a.mp4"}, "file_size": {"5"},
		"file_md5": {sum("bytes")}, "title": {"hello"}, "tags": {"demo"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	store.objects[upload["oss_object"]] = "bytes"

	if err := s.Inject(fake.Fault{Op: "commit", Cut: fake.CutAfter}); err != nil {
		fmt.Println(err)
	}
	if _, err := call("/uploads/commit.json", url.Values{"upload_token": {upload["upload_token"]}}); err != nil {
		fmt.Println("no answer")
	}
	for _, v := range s.Videos() {
		fmt.Println("but a video:", v.Account, v.Fields["title"], v.Stored.Size, v.State)
	}
	// Output:
	// no answer
	// but a video: alice hello 5 encoding
}

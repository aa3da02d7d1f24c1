package douyin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/douyin"
)

// A platform with the legacy calls whose create is answered by silence, once, after the post was made.
func Example() {
	s, err := douyin.New(douyin.Options{Generation: douyin.Legacy, Auth: douyin.Query})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	grant, err := s.AddAccount("alice", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	auth := "?open_id=alice&access_token=" + grant.AccessToken

	form := "--b\r\nContent-Disposition: form-data; name=\"video\"; filename=\"a.mp4\"\r\nContent-Type: video/mp4\r\n\r\nbytes\r\n--b--\r\n"
	res, err := web.Client().Post(web.URL+"/video/upload/"+auth, "multipart/form-data; boundary=b", strings.NewReader(form))
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	video := s.Effects().Assets[0]

	if err := s.Inject(fake.Fault{Op: "create", Cut: fake.CutAfter}); err != nil {
		fmt.Println(err)
	}
	create := func() (*http.Response, error) {
		body := strings.NewReader(`{"video_id":"` + video.ID + `","text":"hello"}`)
		return web.Client().Post(web.URL+"/video/create/"+auth, "application/json", body)
	}
	if _, err := create(); err != nil {
		fmt.Println("no answer")
	}
	for _, p := range s.Effects().Posts {
		fmt.Println("but a post:", p.Account, p.Title, p.Size)
	}
	// Output:
	// no answer
	// but a post: alice hello 5
}

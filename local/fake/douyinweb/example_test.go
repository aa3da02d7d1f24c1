package douyinweb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/vodlift/vodlift/local/fake/douyinweb"
	"github.com/vodlift/vodlift/local/fake/tos"
)

// The platform with its storage on one listener, and a user whose cookies work.
func Example() {
	storage, err := tos.New(tos.Options{})
	if err != nil {
		panic(err)
	}
	defer storage.Close()
	platform, err := douyinweb.New(douyinweb.Options{Storage: storage})
	if err != nil {
		panic(err)
	}
	defer platform.Close()
	web := httptest.NewServer(platform.OneHost(storage))
	defer web.Close()

	login, err := platform.AddAccount("104855312345")
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest("GET", web.URL+"/web/api/media/upload/auth/", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Cookie", login.Header())
	res, err := web.Client().Do(req)
	if err != nil {
		panic(err)
	}
	res.Body.Close()
	fmt.Println(res.Status, platform.Requests(0)[0].Op, platform.Requests(0)[0].Account)
	// Output: 200 OK upload_auth 104855312345
}

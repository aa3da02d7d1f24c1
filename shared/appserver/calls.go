package appserver

import "context"

// call is one call of the API.
type call struct {
	path      string
	post      bool // by POST alone: it changes something
	token     bool
	demo      bool // only where /demo is on
	noMessage bool // message is null, as in the seed's example
	message   string
	run       func(*API, context.Context, *caller) (any, error)
}

func (c call) methods() string {
	if c.post {
		return "POST"
	}
	return "GET or POST"
}

// nothing is the data of calls whose example has an empty object.
type nothing struct{}

// calls is reference c.2, and getVideoPlayAuth with a token, which is ours.
func calls() []call {
	return []call{
		{path: "/vod/getSts", token: true, run: (*API).getSts},
		{path: "/vod/getVideoUploadAuth", token: true, run: (*API).getVideoUploadAuth},
		{path: "/vod/refreshVideoUploadAuth", token: true, run: (*API).refreshVideoUploadAuth},
		{path: "/vod/getImageUploadAuth", token: true, run: (*API).getImageUploadAuth},
		{path: "/vod/getVideoPlayAuth", token: true, run: (*API).getVideoPlayAuth},

		{path: "/demo/getSts", demo: true, run: (*API).getSts},
		{path: "/demo/getVideoUploadAuth", demo: true, run: (*API).getVideoUploadAuth},
		{path: "/demo/refreshVideoUploadAuth", demo: true, run: (*API).refreshVideoUploadAuth},
		{path: "/demo/getVideoPlayAuth", demo: true, run: (*API).getVideoPlayAuth},
		{path: "/demo/getImageUploadAuth", demo: true, run: (*API).getImageUploadAuth},

		{path: "/user/login", noMessage: true, run: (*API).login},
		{path: "/user/register", noMessage: true, run: (*API).register},
		{path: "/user/updateUser", token: true, post: true, noMessage: true, run: (*API).updateUser},
		{path: "/user/randomUser", noMessage: true, run: (*API).randomUser},

		{path: "/vod/videoPublish", token: true, post: true, noMessage: true, run: (*API).videoPublish},
		{path: "/vod/getRecommendVideoList", token: true, run: (*API).getRecommendVideoList},
		{path: "/vod/getPersonalVideoList", token: true, run: (*API).getPersonalVideoList},
		{path: "/vod/deleteVideoById", token: true, post: true, message: "删除完成", run: (*API).deleteVideoByID},

		{path: "/music/getRecommendMusic", run: (*API).getRecommendMusic},
		{path: "/music/getPlayPath", run: (*API).getPlayPath},
		{path: "/resource/getPasterInfo", run: (*API).getPasterInfo},
		{path: "/resource/getPasterList", run: (*API).getPasterList},
		{path: "/resource/getFrontPasterList", run: (*API).getFrontPasterList},
		{path: "/resource/getTextPaster", run: (*API).getTextPaster},
		{path: "/resource/getTextPasterList", run: (*API).getTextPasterList},
		{path: "/resource/getMv", run: (*API).getMv},
		{path: "/resource/getFont", run: (*API).getFont},
	}
}

package douyin

// paths are the calls of one generation (reference A.3). The trailing slash belongs to them.
type paths struct {
	upload, partInit, part, partComplete, image, create, list, data string
}

func pathsOf(g Generation) paths {
	if g == Legacy {
		return paths{
			upload:       "/video/upload/",
			partInit:     "/video/part/init/",
			part:         "/video/part/upload/",
			partComplete: "/video/part/complete/",
			image:        "/image/upload/",
			create:       "/video/create/",
			list:         "/video/list/",
			data:         "/video/data/",
		}
	}
	const v1 = "/api/douyin/v1/video/"
	return paths{
		upload:       v1 + "upload_video/",
		partInit:     v1 + "init_video_part_upload/",
		part:         v1 + "upload_video_part/",
		partComplete: v1 + "complete_video_part_upload/",
		image:        v1 + "upload_image/",
		create:       v1 + "create_video/",
		list:         v1 + "video_list/",
		data:         v1 + "video_data/",
	}
}

// Paths of OAuth, the same in both generations (reference A.2).
const (
	pathRefresh = "/oauth/refresh_token/"
	pathRenew   = "/oauth/renew_refresh_token/"
	pathClient  = "/oauth/stable_client_token/"
)

// Paths of the hand-over (handover.go), the same in both generations.
const (
	pathTicket  = "/open/getticket/"
	pathShareID = "/share-id/"
)

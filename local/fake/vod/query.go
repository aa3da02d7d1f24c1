package vod

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// info is a video as GetVideoInfo, GetVideoInfos, GetVideoList and SearchMedia answer it.
type info struct {
	VideoId, Title, Description, Tags, Status, AuditStatus string
	CateId                                                 int64 `json:",omitempty" xml:",omitempty"`
	CateName                                               string
	CoverURL                                               string
	Size                                                   int64
	Duration                                               float64
	CreationTime, ModificationTime, CreateTime, ModifyTime string
	StorageLocation, RegionId, TemplateGroupId, UserData   string
	AppId, DownloadSwitch, CustomMediaInfo, StorageClass   string
	Snapshots                                              *snapshots `json:",omitempty" xml:",omitempty"`
}

// snapshots is a list within an object; SearchMedia and GetVideoInfos have none of it here.
type snapshots struct{ Snapshot []string }

func (s *Server) info(v *video, nested bool) info {
	cate, _ := strconv.ParseInt(v.Fields["CateId"], 10, 64) // checked at creation
	f := func(name string) string { return v.Fields[name] }
	i := info{VideoId: v.ID, Title: f("Title"), Description: f("Description"), Tags: f("Tags"), Status: string(v.Status),
		AuditStatus: v.AuditStatus, CateId: cate, CateName: s.o.Categories[cate], CoverURL: f("CoverURL"), Duration: v.Media.Duration,
		CreationTime: stamp(v.Created), ModificationTime: stamp(v.Modified), CreateTime: stamp(v.Created), ModifyTime: stamp(v.Modified),
		StorageLocation: f("StorageLocation"), RegionId: s.o.Region, TemplateGroupId: s.groupOf(v).ID, UserData: f("UserData"), AppId: v.App,
		DownloadSwitch: f("DownloadSwitch"), CustomMediaInfo: f("CustomMediaInfo"), StorageClass: "Standard"}
	setDefault(&i.StorageLocation, s.o.Storages[0])
	if v.Stored != nil {
		i.Size = v.Stored.Size
	}
	if nested {
		i.Snapshots = &snapshots{append([]string{}, v.Shots...)}
	}
	return i
}

func (s *Server) getVideoInfo(c call) (any, *rpc.Error) {
	v := s.video(c.get("VideoId"))
	if v == nil {
		return nil, fail("InvalidVideo.NotFound")
	}
	return struct {
		base
		Video info
	}{c.base, s.info(v, true)}, nil
}

// getVideoInfos: at most 20 ids (assumed, as for DeleteVideo).
func (s *Server) getVideoInfos(c call) (any, *rpc.Error) {
	ids := strings.Split(c.get("VideoIds"), ",")
	if len(ids) > 20 {
		return nil, fail("VideoIdsExceededMax")
	}
	a := struct {
		base
		NonExistVideoIds []string
		VideoList        []info
	}{c.base, []string{}, []info{}}
	for _, id := range ids {
		if v := s.video(strings.TrimSpace(id)); v != nil {
			a.VideoList = append(a.VideoList, s.info(v, false))
		} else {
			a.NonExistVideoIds = append(a.NonExistVideoIds, id)
		}
	}
	if len(a.VideoList) == 0 {
		return nil, fail("InvalidVideo.NotFound")
	}
	return a, nil
}

// page reads PageNo and PageSize.
func (s *Server) page(c call) (from, size int, err *rpc.Error) {
	no, err := number(c.Params, "PageNo", 1, 1, 1<<31)
	if err != nil {
		return 0, 0, err
	}
	n, err := number(c.Params, "PageSize", 10, 1, int64(s.o.Limits.PageMax))
	return int((no - 1) * n), int(n), err
}

// cut is one page of a list.
func cut(list []*video, from, size int) []*video {
	from = min(from, len(list))
	return list[from:min(from+size, len(list))]
}

// ordered sorts by creation, newest first unless Asc is asked for.
func ordered(list []*video, by string) {
	slices.SortStableFunc(list, func(a, b *video) int {
		order := cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
		if strings.HasSuffix(by, ":Asc") {
			return order
		}
		return -order
	})
}

// getVideoList: only the first 5,000, and 404 when none match (ref. a.3).
func (s *Server) getVideoList(c call) (any, *rpc.Error) {
	from, size, err := s.page(c)
	if err != nil {
		return nil, err
	}
	if from+size > s.o.Limits.ListMax {
		return nil, fail("VideoListExceededMax")
	}
	if by := c.get("SortBy"); by != "" && by != "CreationTime:Desc" && by != "CreationTime:Asc" {
		return nil, invalid("SortBy")
	}
	keep, err := listFilter(c)
	if err != nil {
		return nil, err
	}
	list := s.living(keep)
	if len(list) == 0 {
		return nil, fail("InvalidVideo.NotFound")
	}
	ordered(list, c.get("SortBy"))
	a := struct {
		base
		Total     int
		VideoList struct{ Video []info }
	}{base: c.base, Total: len(list)}
	a.VideoList.Video = []info{}
	for _, v := range cut(list, from, size) {
		a.VideoList.Video = append(a.VideoList.Video, s.info(v, true))
	}
	return a, nil
}

func (s *Server) living(keep func(*video) bool) []*video {
	var out []*video
	for _, v := range s.st.Videos {
		if !v.gone() && keep(v) {
			out = append(out, v)
		}
	}
	return out
}

// listFilter reads Status, CateId, StartTime, EndTime and StorageLocation.
func listFilter(c call) (func(*video) bool, *rpc.Error) {
	var edge [2]time.Time
	for n, name := range []string{"StartTime", "EndTime"} {
		if text := c.get(name); text != "" {
			at, err := time.Parse("2006-01-02T15:04:05Z", text)
			if err != nil {
				return nil, invalid(name)
			}
			edge[n] = at
		}
	}
	var states []string
	if text := c.get("Status"); text != "" {
		states = strings.Split(text, ",")
	}
	return func(v *video) bool {
		switch {
		case states != nil && !slices.Contains(states, string(v.Status)),
			c.get("CateId") != "" && c.get("CateId") != v.Fields["CateId"],
			c.get("StorageLocation") != "" && c.get("StorageLocation") != v.Fields["StorageLocation"],
			v.Created.Before(edge[0]), !edge[1].IsZero() && v.Created.After(edge[1]):
			return false
		}
		return true
	}, nil
}

// mediaItem is one row of SearchMedia, which answers a plain array (ref. a.3).
type mediaItem struct {
	MediaId, MediaType, CreationTime string
	Video                            *info `json:",omitempty" xml:",omitempty"`
}

// searchMedia finds videos; of the other kinds only that there are none. Match knows =, in (…) and a range of times,
// joined by and (part of the vendor's grammar); Fields is not heeded: everything known is answered.
func (s *Server) searchMedia(c call) (any, *rpc.Error) {
	kind := c.get("SearchType")
	setDefault(&kind, "video")
	if !slices.Contains([]string{"video", "audio", "image", "attached"}, kind) {
		return nil, invalid("SearchType")
	}
	from, size, err := s.page(c)
	if err != nil {
		return nil, err
	}
	if strings.Count(c.get("SortBy"), ",") > 2 {
		return nil, fail("SortByExceededMax")
	}
	keep, ok := parseMatch(c.get("Match"))
	if !ok {
		return nil, fail("ErrorMatchSyntax")
	}
	if token := c.get("ScrollToken"); token != "" {
		n, parseErr := strconv.Atoi(strings.TrimPrefix(token, "scroll-"))
		if parseErr != nil || n < 0 || !strings.HasPrefix(token, "scroll-") {
			return nil, fail("InvalidScrollToken.Expired")
		}
		from = n
	}
	var list []*video
	if kind == "video" {
		list = s.living(keep)
	}
	ordered(list, c.get("SortBy"))
	a := struct {
		base
		Total       int
		ScrollToken string
		MediaList   []mediaItem
	}{c.base, len(list), "", []mediaItem{}}
	for _, v := range cut(list, from, size) {
		i := s.info(v, false)
		a.MediaList = append(a.MediaList, mediaItem{v.ID, "video", stamp(v.Created), &i})
	}
	if from+size < len(list) {
		a.ScrollToken = "scroll-" + strconv.Itoa(from+size)
	}
	return a, nil
}

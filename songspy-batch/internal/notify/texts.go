package notify

import songspy "github.com/songspy/songspy/songspy-domain"

// bilingual is the subject and the text of a message in both languages.
type bilingual struct{ koreanSubject, koreanText, englishSubject, englishText string }

// texts holds the texts of each kind of notification, with placeholders. {count} and {users}
// stand for the number and the IDs of the users, {app} for the app, {circuit} for the host of
// Spotify whose calls are blocked, {since} for the time at which the cause was first seen, {end}
// for the day on which the user's consent ends, and {page} for the page on which users link
// Spotify.
var texts = map[songspy.NotificationKind]bilingual{
	songspy.NotificationRelinkSoon: {
		"{end}까지 Spotify를 다시 연결해 주세요",
		"Spotify 연결 동의는 6개월 동안만 유효해서, 회원님의 동의는 {end}에 끝납니다. 그 전에 다시 연결하시면 끊김 없이 이어지고, 지금까지 들은 기록도 그대로 남습니다.\n\n{page}",
		"Please link Spotify again before {end}",
		"Spotify lets a consent live for six months, and yours ends on {end}. If you link again before then, nothing is interrupted, and your listening history stays.\n\n{page}",
	},
	songspy.NotificationRelink: {
		"Spotify를 다시 연결해 주세요",
		"회원님이 Spotify에서 듣는 곡을 더 이상 확인할 수 없습니다. 다시 연결하시면 기록이 이어지고, 지금까지 들은 기록은 그대로 남습니다.\n\n{page}",
		"Please link Spotify again",
		"Songspy can no longer see what you play on Spotify. Please link Spotify again. Your listening history stays.\n\n{page}",
	},
	songspy.NotificationNotRegistered: {
		"Spotify 앱에 등록해야 할 사용자: {count}명",
		"Spotify 앱 {app}의 대시보드에 등록되지 않아 거절된 사용자가 {count}명 있습니다({users}). https://developer.spotify.com/dashboard 의 User Management에 등록한 뒤 `songspy-api seats entered USER`를 실행해 주세요.",
		"Users to register in a Spotify app: {count}",
		"Spotify app {app} rejects {count} of its users because they are not registered (users {users}). Register them under User Management at https://developer.spotify.com/dashboard, then run `songspy-api seats entered USER`.",
	},
	songspy.NotificationNeedsUser: {
		"Spotify를 다시 연결해야 할 사용자: {count}명",
		"Spotify가 앱 {app} 사용자 {count}명의 동의를 취소했습니다({users}). 이 사용자들은 Spotify를 다시 연결해야 합니다.",
		"Users who have to link Spotify again: {count}",
		"Spotify has revoked the consent of users of app {app}: {count} (users {users}). They have to link Spotify again.",
	},
	songspy.NotificationAppBlocked: {
		"Spotify 앱 {app}의 호출이 차단되었습니다",
		"Spotify가 {since}부터 앱 {app}의 호출을 거절하고 있습니다({circuit}). 그동안 이 앱 사용자의 재생은 확인되지 않습니다. 이유와 종료 예정 시각은 songspy-batch의 /readyz에서 확인할 수 있습니다.",
		"Calls of Spotify app {app} are blocked",
		"Spotify has rejected the calls of app {app} ({circuit}) since {since}. Users of that app are not polled meanwhile. /readyz of songspy-batch says why and until when.",
	},
	songspy.NotificationOutageBegan: {
		"Spotify가 토큰 갱신을 대부분 거절하고 있습니다",
		"Spotify가 {since}부터 앱 {app}의 토큰 갱신을 대부분 거절하고 있습니다. Spotify의 장애로 보고, 사용자에게 다시 연결해 달라고 요청하지 않습니다.",
		"Spotify rejects most token renewals",
		"Since {since}, Spotify has rejected most token renewals of app {app}. This counts as an outage of Spotify: no user is asked to link again.",
	},
	songspy.NotificationOutageEnded: {
		"Spotify의 토큰 갱신이 다시 됩니다",
		"Spotify가 앱 {app}의 토큰 갱신을 다시 받아들입니다.",
		"Spotify accepts token renewals again",
		"Spotify accepts the token renewals of app {app} again.",
	},
	songspy.NotificationSeatRequested: {
		"Spotify 앱에 등록을 신청한 사용자: {count}명",
		"Spotify 앱 {app}에 등록을 신청한 사용자가 {count}명 있습니다({users}). 등록할 이메일 주소는 `songspy-api seats` 명령으로 확인할 수 있습니다.",
		"Users who have requested a seat in a Spotify app: {count}",
		"Users who have requested a seat in Spotify app {app}: {count} (users {users}). `songspy-api seats` shows the addresses to register.",
	},
	songspy.NotificationSeatEntered: {
		"이제 Spotify를 연결하실 수 있습니다",
		"신청하신 자리가 준비되었습니다. 이제 Spotify를 연결하실 수 있습니다.\n\n{page}",
		"You can link Spotify now",
		"The seat that you requested is ready. You can link Spotify now.\n\n{page}",
	},
}

// footer ends every message to a user, in Korean and then in English. It does not mention Spotify, because a
// user who only waits for a seat may never have linked Spotify.
const footer = "이 메일은 Songspy에 가입하셔서 보내 드립니다. 계정 설정에서 끌 수 있습니다.\n" +
	"You receive this e-mail because you signed up for Songspy. You can switch these e-mails off in the settings of your account."

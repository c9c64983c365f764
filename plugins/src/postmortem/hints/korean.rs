//! What is looked for in Korean. No published list of such wordings was found: these rules are our own, and a team's
//! config can add to them or switch them off.

use super::Looks::{AtActions, ButLuck, Everywhere};
use super::{Language, Rule};
use std::ops::Range;

const SHOWED: &str = "그때 화면이나 도구에는 무엇이 보였나요?";

pub const LANGUAGE: Language = Language { rules: RULES, people: PEOPLE, person: PERSON, acts };

/// Words for people, and names with a title. `책임` is a title and a responsibility, and is left out.
const PEOPLE: &str = r"(?:담당자|작업자|운영자|개발자|관리자|엔지니어|당직자|온콜|신입|팀원|리뷰어|책임자|[가-힣]{1,4}\s?(?:님|씨|매니저|대리|과장|차장|부장|팀장|선임|수석|사원)|@[a-z][\w.-]+{own})";

/// Somebody as the subject of a sentence, and what may stand between them and what they do.
const PERSON: &str = r"(?P<who>(?:{people}\s?(?:이|가|은|는|께서|께서는)|누군가|누군가가)\s)[^,.!?…]{0,40}?";

const RULES: &[Rule] = &[
    Rule {
        name: "blame",
        finds: r"{person}(?:(?:확인|점검|검증|공유|보고|테스트|검토|시험)(?:을|를)?\s?(?:하지\s?않|하지\s?못|안\s?했|못\s?했)|누락(?:했|하)|생략(?:했|하)|빠뜨|깜[빡박]|까먹|잊(?:고|어|었)|빼먹|놓(?:쳤|치)|간과|무시(?:하|했)|실수로|착각|오판|잘못\s(?:입력|설정|배포|실행|눌|적|선택)|제대로\s.{0,12}(?:지\s?않|못)|미처\s.{0,14}못)",
        // What is only conceivable, or is being prevented, has happened to nobody.
        unless: r"지\s?않(?:도록|아도|게|으면|은\s(?:경우|상태|것|채|항목|값|건))|치지\s않|잘못\s설정된|인한|못하게|막[기는을아]|방지|차단|예방|없도록|없게|수\s?있[다는어]|경우",
        looks: Everywhere,
        asks: SHOWED,
        instead: &[
            (
                r"^.*?(?:이|가|은|는|께서)\s(.*?)(?:미처\s)?(확인|점검|검증|공유|보고|테스트|검토|시험)(?:을|를)?\s?(?:하지\s?않았|하지\s?못했|안\s?했|못\s?했|누락했|생략했|빠뜨렸|빼먹었)(?:다|습니다)",
                "$1${2}하라고 알려 주는 것이 없었다",
            ),
            (r"실수로\s", ""),
            (
                r"^.*?(?:이|가|은|는|께서)\s(.+?)를\s(?:.*\s)?(?:놓쳤|간과했|무시했)(?:다|습니다)",
                "그때 ${1}는 눈에 띄지 않았다",
            ),
            (
                r"^.*?(?:이|가|은|는|께서)\s(.+?)을\s(?:.*\s)?(?:놓쳤|간과했|무시했)(?:다|습니다)",
                "그때 ${1}은 눈에 띄지 않았다",
            ),
            (
                r"^.*?(?:이|가|은|는|께서)\s(.+?[을를])\s(?:깜[빡박]했|까먹었|잊었|빼먹었|누락했|빠뜨렸|생략했)(?:다|습니다)",
                "$1 알려 주는 것이 없었다",
            ),
            (
                r"^.*?(?:이|가|은|는|께서|누군가)\s(.+?[을를])\s잘못\s(?:입력|설정|실행|선택)했(?:다|습니다)",
                "도구가 잘못된 $1 그대로 받아들였다",
            ),
        ],
    },
    Rule {
        name: "human-error",
        finds: r"(?:휴먼\s?에러|인적\s?(?:오류|실수|과실)|사람의\s?실수|(?:작업자|운영자|담당자|개발자)의?\s?(?:실수|과실))\s?(?:로\s?인|로\s?발생|로\s?장애|때문|[이가]\s?원인|에\s?의)",
        unless: "방지|감소|줄이|예방|막기|막는|아니",
        looks: Everywhere,
        asks: "무엇이 그 동작을 쉽게 하고, 결과를 보이지 않게 했나요?",
        instead: &[(
            r"(?:휴먼\s?에러|인적\s?(?:오류|실수|과실)|사람의\s?실수|(?:작업자|운영자|담당자|개발자)의?\s?(?:실수|과실))\s?로",
            "결과가 보이지 않는 동작으로",
        )],
    },
    Rule {
        name: "fault",
        finds: r"(?:팀|사람|{people})\s?(?:때문에|탓|의\s잘못)|책임을\s?물|경위서|시말서|문책|귀책|징계",
        unless: "",
        looks: Everywhere,
        asks: "무엇이 그렇게 이끌었나요? 누구의 잘못인지보다 기여 요인 두 가지가 더 많은 것을 말해 줍니다.",
        instead: &[],
    },
    Rule {
        name: "judgement",
        // Some of these end a word or begin one that judges nobody: `상태만`, `기본도메인`.
        finds: r"부주의|주의\s소홀|소홀히|안일[한하]|안이[한하]|무책임|미숙(?:한|하|으로)|경솔|게으[른르]|대충\s|허술[하한]|어이없|말도\s안\s되|상식적으로|(?:^|[^가-힣])(?:태만|방심|무능|한심|기본도\s)",
        unless: r"게으른\s(?:초기화|로딩|평가)",
        looks: Everywhere,
        asks: "판단하는 낱말 대신, 얼마나 심했는지 보여 주는 숫자는 무엇인가요?",
        instead: &[(r"(?:어이없는|말도\s안\s되는|안일한|안이한|경솔한|무책임한|대충)\s", "")],
    },
    Rule {
        name: "counterfactual",
        finds: r"{person}(?:\S*(?:했어야|였어야|말았어야|않았어야|[했았었였]더라면|했어도|있었을\s?텐데)|막을\s수\s있었)",
        unless: "",
        looks: ButLuck,
        asks: "그 시점에 알고 있던 것은 무엇인가요? 실제로 일어난 일을 적어 보세요.",
        instead: &[(r"하지\s말았어야\s(?:했|한)다", "했다"), (r"했어야\s(?:했|한)다", "하지 않았다")],
    },
    Rule {
        name: "why-who",
        finds: r"^(?P<who>왜\s)[^.!?]{0,40}(?:했|않았|몰랐|(?:안|못)\s\S{1,6})(?:나요|습니까|지|나|냐|는가|을까)\?|^누가\s[^.!?]{0,40}(?:[했었았]나요|[했었았]습니까|했지|했나|[했었았]는가)\?|누구\s(?:책임|잘못|탓)",
        unless: "",
        looks: Everywhere,
        asks: "\"왜\"와 \"누가\"는 변명하게 만듭니다. 어떻게, 무엇이 그 선택을 자연스럽게 했나요?",
        instead: &[
            (r"^누가\s(.*?)을\s(배포|승인|실행|변경|삭제)했(?:나요|습니까|지|나)\?", "${1}은 어떻게 $2되었나요?"),
            (r"^누가\s(.*?)를\s(배포|승인|실행|변경|삭제)했(?:나요|습니까|지|나)\?", "${1}는 어떻게 $2되었나요?"),
            (r"^누가\s(.*?)(배포|승인|실행|변경|삭제)(?:를|을)?\s?했(?:나요|습니까|지|나)\?", "$1어떻게 $2되었나요?"),
            (r"^왜\s(.*?)하지\s않았(?:나요|습니까)\?", "무엇이 $1하기 어렵게 했나요?"),
        ],
    },
    Rule {
        name: "people-fix",
        finds: r"(?:더|각별히|앞으로).{0,10}(?:주의|신경|조심)|(?:철저히|꼼꼼히|재차|다시\s한번)\s?(?:확인|점검)|교육(?:을)?\s?(?:강화|실시)|숙지|경각심|재발하지\s않도록\s노력",
        unless: "",
        looks: AtActions,
        asks: "사람은 지금보다 더 조심하지 않습니다. 시스템이 대신할 수 있는 것은 무엇인가요?",
        instead: &[(r"(?:철저히|꼼꼼히|재차|다시\s한번)\s?(확인|점검)", "자동으로 $1")],
    },
    Rule {
        name: "vague",
        finds: r"(?:개선|강화|검토|고도화|추진|조사|보완|최적화)(?:를|을)?\s?(?:한다|하기|합니다|함|할\s것)?\.?$",
        unless: r"\d|까지|이하|이상|아래로",
        looks: AtActions,
        asks: "무엇이 되면 끝인가요? 숫자나 눈으로 볼 수 있는 것을 적어 보세요.",
        instead: &[],
    },
    Rule {
        name: "root-cause",
        finds: r"근본\s?원인은|근본\s?원인이다",
        unless: r"하나가\s아니|없다|없었다|비공개|불명|모른|모르|알\s수\s없|밝혀지지|파악\s?중|조사\s?중",
        looks: Everywhere,
        asks: "그 밖에 무엇이 그대로여야 했나요? 기여 요인은 둘 이상입니다.",
        instead: &[(r"근본\s?원인은", "기여 요인 하나는")],
    },
    Rule {
        name: "outage",
        finds: r"(?:전면\s?장애|전체\s?장애|서비스\s?중단).*(?:^|[^\d.])\d{1,2}(?:\.\d+)?\s?(?:%|퍼센트)",
        unless: "",
        looks: Everywhere,
        asks: "대부분이 동작했다면 중단이었나요? 비율이 더 잘 말해 줍니다.",
        instead: &[
            (r"전면\s?장애|전체\s?장애", "일부 장애"),
            (r"서비스\s?중단으로", "서비스 저하로"),
            (r"서비스\s?중단이", "서비스 저하가"),
            (r"서비스\s?중단은", "서비스 저하는"),
            (r"서비스\s?중단", "서비스 저하"),
        ],
    },
    Rule {
        name: "hindsight",
        finds: r"^(?:당연히|뻔히|알고\s보니|결과적으로\s보면|돌이켜\s보면|지나고\s보니)\s|^그냥\s.{0,16}(?:만\s|됐|봤)",
        unless: "",
        looks: Everywhere,
        asks: "그 순간에도 분명했나요, 아니면 결과를 아는 지금에야 분명한가요?",
        instead: &[(r"^(?:당연히|뻔히|알고\s보니|결과적으로\s보면|돌이켜\s보면|지나고\s보니)\s", "")],
    },
];

/// Words that end as a subject does, and are none.
const NO_SUBJECT: &[&str] = &[
    "추가", "평가", "휴가", "증가", "허가", "국가", "차이", "사이", "많이", "같이", "없이", "깊이", "높이", "길이",
    "다시",
];

/// Whether nothing else does what is said: between the person and the verb stands no other subject.
fn acts(sentence: &str, who: Range<usize>, end: usize) -> bool {
    let between = &sentence[who.end..end];
    let whole: Vec<_> = between.split(' ').collect();
    // The last word is the verb itself.
    let words = whole.iter().take(whole.len().saturating_sub(1));
    !words.into_iter().any(|word| word.ends_with(['이', '가']) && !NO_SUBJECT.contains(word))
}

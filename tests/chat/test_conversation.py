"""Every layout and dialect becomes the same messages; what is no conversation says why."""

from __future__ import annotations

from typing import Any

import pytest

from doctor.chat.conversation import Conversation, Malformed, Passage, Tokens, read

TALK = [("user", "Hello"), ("assistant", "Good morning")]
ROWS: dict[str, Any] = {
    "messages": {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good morning"}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Good morning"}]},
    "bing": {"conversations": [{"from": "user", "text": "Hello"}, {"from": "bing", "text": "Good morning"}]},
    "chatgpt": {"items": [{"from": "human", "value": "Hello"}, {"from": "chatgpt", "value": "Good morning"}]},
    "upper case": {"conversation": [{"role": "User", "value": "Hello"}, {"role": "Model", "content": "Good morning"}]},
    "pairs": {"conversation": [{"human": "Hello", "assistant": "Good morning"}]},
    "alternating": {"dialog": ["Hello", "Good morning"]},
    "a bare list": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good morning"}],
    "JSON in text": {"messages": '[{"role":"user","content":"Hello"},{"role":"assistant","content":"Good morning"}]'},
    "parts": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]},
            {"role": "assistant", "content": ["Good morning"]},
        ]
    },
    "alpaca": {"instruction": "Hello", "input": "", "output": "Good morning"},
    "question": {"question": "Hello", "answer": "Good morning"},
    "prompt and response": {"prompt": "Hello", "response": "Good morning"},
    "completion of messages": {
        "prompt": [{"role": "user", "content": "Hello"}],
        "completion": [{"role": "assistant", "content": "Good morning"}],
    },
}


def turns(row: Any, system: str | None = None) -> list[tuple[str, str]]:
    made = read(row, system)
    assert isinstance(made, Conversation)
    return [(message["role"], message["content"]) for message in made.messages]


@pytest.mark.parametrize("name", ROWS)
def test_every_dialect_says_the_same(name: str) -> None:
    assert turns(ROWS[name]) == TALK


@pytest.mark.parametrize("name", ROWS)
def test_a_system_prompt_for_all_rows(name: str) -> None:
    assert turns(ROWS[name], "You are Mira.") == [("system", "You are Mira."), *TALK]


@pytest.mark.parametrize("key", ["system", "system_prompt"])
@pytest.mark.parametrize("name", ["messages", "sharegpt", "alpaca", "completion of messages"])
def test_a_system_prompt_of_the_row(name: str, key: str) -> None:
    assert turns({**ROWS[name], key: "Mine."}, "For all.")[0] == ("system", "Mine.")


def test_a_system_turn_stays_the_only_one() -> None:
    row = {"messages": [{"role": "developer", "content": "Mine."}, *ROWS["messages"]["messages"]]}
    assert [role for role, _ in turns({**row, "system": "Another."}, "For all.")] == ["system", "user", "assistant"]


def test_the_input_follows_the_instruction() -> None:
    assert turns({"instruction": "Translate", "input": "Haus", "output": "house"})[0][1] == "Translate\n\nHaus"


def test_the_history_comes_first() -> None:
    row = {"instruction": "And now?", "input": "", "output": "Yes", "history": [["One?", "Two."]]}
    assert [said for _, said in turns(row)] == ["One?", "Two.", "And now?", "Yes"]


def test_tools_and_their_turns_are_kept() -> None:
    call = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}]
    made = read(
        {
            "messages": [
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": None, "tool_calls": call},
                {"role": "tool", "content": "12 degrees", "name": "weather"},
            ],
            "tools": '[{"name": "weather"}]',
        }
    )
    assert isinstance(made, Conversation)
    assert made.tools == [{"name": "weather"}]
    assert made.messages[1] == {"role": "assistant", "content": "", "tool_calls": call}
    assert made.messages[2] == {"role": "tool", "content": "12 degrees", "name": "weather"}


def test_text_that_is_formatted_already() -> None:
    assert read({"text": "<s>Hi", "system": "Mine."}) == Passage("text", "<s>Hi", beside="Mine.")
    assert read({"prompt": "Ask: ", "completion": "told"}) == Passage("prompt-completion", "Ask: told", 5)
    both = read({"text": "Hi", "messages": [{"role": "system", "content": "Mine."}, {"role": "user", "content": "Hi"}]})
    assert both == Passage("text", "Hi", beside="Mine.")


def test_rows_of_tokens() -> None:
    row = {"input_ids": [1, 2], "labels": [-100, 2], "attention_mask": [1, 1]}
    assert read(row) == Tokens("tokens", [1, 2], [-100, 2], [1, 1])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"chosen": "a", "rejected": "b"}, "preference pair"),
        ({"title": "a", "body": "b"}, "has title, body: none of messages"),
        ("text", "is text, an object"),
        ({"messages": []}, "messages is empty"),
        ({"messages": None}, "messages is null"),
        ({"messages": "[{"}, "messages is text that is not JSON"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role is 'narrator'"),
        ({"messages": [{"role": "user"}]}, "messages[0] has role: neither content nor value"),
        ({"messages": [{"content": "x"}]}, "messages[0] has content: neither role nor from"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content is a number"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "only text is read"),
        ({"text": None}, "text is null"),
        ({"input_ids": [1, 2], "labels": [1]}, "labels has 1 entries, input_ids has 2"),
        ({"input_ids": "1 2"}, "input_ids is text"),
    ],
)
def test_what_is_no_conversation_says_why(row: Any, says: str) -> None:
    with pytest.raises(Malformed) as raised:
        read(row)
    assert says in str(raised.value)
